"""Receipts in one chain, without a word about anybody, and what checks them."""
