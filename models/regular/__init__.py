"""Regular controls, redundant parametrisations, truths on an edge and truths outside the model."""
