"""Data that are part of leaven or are drawn by it: real and rendered digits, street scenes."""
