"""Has staging stood a day under the policy that production is to run under?"""
