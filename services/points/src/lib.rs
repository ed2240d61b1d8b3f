//! jifen-points
