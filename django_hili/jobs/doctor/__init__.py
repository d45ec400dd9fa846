"""What the operator's doctor looks at, one module for each part of a site.

Owns findings and how they are come by. Changes nothing but a probe file that it removes again, and
never puts a secret, a token or an address into a finding.
"""
