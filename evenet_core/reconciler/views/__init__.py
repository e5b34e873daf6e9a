"""What people and programs are told of the reconciler: plans, events, problems, explanations."""
