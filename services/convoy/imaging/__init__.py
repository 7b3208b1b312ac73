"""A picture of a picture: filters, denoising, super-resolution."""
