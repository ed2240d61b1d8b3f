//! jifen-bench
