"""The sample photo, its aged copy, and how both are made and measured. See LICENCE.md."""
