"""Students: reading profile, embedding, and what is shown of them."""
