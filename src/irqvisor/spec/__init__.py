"""What the books say: numbers and pure functions, no state, one file per book."""
