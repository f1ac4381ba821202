/* The least that AGI can start: what a call costs with it is Asterisk's own. */
int main(void) { return 0; }
