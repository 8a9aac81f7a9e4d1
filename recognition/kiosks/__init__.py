"""Kiosks: browsers at a door that are the webcam of one camera, and greet whom it sees. They may do nothing else."""
