"""Console: the questions of people, answered on the command line. Nobody imports this room."""
