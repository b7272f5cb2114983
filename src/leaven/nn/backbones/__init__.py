"""Backbones: small networks of our own, pretrained ones of timm's, and those that give maps."""
