"""The operator's check: does everything the database says about stock, orders, procurements and events agree?"""
