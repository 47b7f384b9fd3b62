"""What is rented: rentals of offers, where candidates are placed, and who pays what of a shared instance."""
