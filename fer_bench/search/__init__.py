"""Studies: a search over a runner's recipe, which sees the training and the validation part and nothing else."""
