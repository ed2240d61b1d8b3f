//! jifen-tier
