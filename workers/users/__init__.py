"""Users of a platform: posts, interests, recommendations of posts."""
