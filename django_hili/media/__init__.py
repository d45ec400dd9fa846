"""The bytes: taken in, laid down, handed out. Decides nothing about who may or until when."""
