"""What a training writes down for its report, as JSON in the run's folder, so that the data are not needed again."""
