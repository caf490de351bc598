"""How likely B comes next by its characters alone: counted features, and the model that weighs them."""
