"""What must hold, asked of what is there now; the clauses, their proofs and the data map."""
