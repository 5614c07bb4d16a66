"""The tests' AWS: moto's server behind what moto lacks. See README.md."""
