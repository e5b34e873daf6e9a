"""From the model and the facts to items: one object of the config at a time, through the plugins' hooks."""
