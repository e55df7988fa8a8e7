"""What a plugin is written against: runner, context, recipe, published figure, registry."""
