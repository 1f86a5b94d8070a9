//! scepd
