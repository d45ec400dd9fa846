"""Who enhances photos. Plain Python: no models, no storage, and no Django beyond the registry.

The base class says what every provider must tell and do; one file per provider speaks that
provider's words. The embedded engine is one provider among others.
"""
