"""The running side of decisions: what sans-IO machines ask for is done here, and the world's answers fed back."""
