"""Simulates where contents would go, without any contents, for `annexshell sim`. Pure: what comes from a real
repository is handed in as a World."""
