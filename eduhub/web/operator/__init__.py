"""The pages of the operator: organisations, the work of the machine, who did what. At the hub only."""
