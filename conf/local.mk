# recipes and the default configuration
