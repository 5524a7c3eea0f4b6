//! Configuration, supervisor, control socket, doctor.
