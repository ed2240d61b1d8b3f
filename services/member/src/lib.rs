//! jifen-member
