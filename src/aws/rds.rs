//! RDS.
