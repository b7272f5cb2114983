"""What every part of leaven may use and that knows none of them."""
