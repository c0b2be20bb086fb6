"""From whatever a user has to numbers for nets: tables, their columns and targets, and how rows are divided."""
