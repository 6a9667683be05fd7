"""Trying out where contents would go, without any contents: `annexshell sim`. Pure."""
