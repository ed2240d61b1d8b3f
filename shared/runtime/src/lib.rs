//! jifen-runtime
