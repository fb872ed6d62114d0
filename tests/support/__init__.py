"""What several tests share: made JPEG files, damage to them, and references to compare with."""
