//! points on real servers.
