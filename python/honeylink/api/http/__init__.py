"""What all endpoints share. It knows none of them."""
