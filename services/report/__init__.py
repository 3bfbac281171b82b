"""What do we hand to leadership, and how can they tell that nobody changed it?"""
