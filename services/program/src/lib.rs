//! jifen-program
