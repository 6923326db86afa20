"""Deeds: a module a topic, found by being here. To add one, write a function."""
