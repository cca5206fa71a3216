"""Trains, quantizes and measures the network that hemoscope runs on the device."""
