//! jifen-tidy
