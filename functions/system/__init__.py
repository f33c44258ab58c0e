"""The system as a whole: is it healthy?"""
