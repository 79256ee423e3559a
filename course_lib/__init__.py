"""What the notebooks of the course share: data, networks, training, measuring, drawing, exercises."""
