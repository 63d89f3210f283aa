"""What sections are made of: HTML, figures, numbers as people read them, and what a run's files hold."""
