//! jifen-infra
