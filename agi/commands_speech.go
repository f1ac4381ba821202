package agi

// Commands for speech recognition, where an engine is loaded.

// SpeechActivateGrammar activates a grammar. For this and all Speech methods
// Res is 1, or 0 on error.
func (s *Session) SpeechActivateGrammar(grammar string) (Reply, error) {
	return s.send("SPEECH ACTIVATE GRAMMAR", grammar)
}

// SpeechCreate starts an engine for this channel.
func (s *Session) SpeechCreate(engine string) (Reply, error) {
	return s.send("SPEECH CREATE", engine)
}

// SpeechDeactivateGrammar deactivates a grammar.
func (s *Session) SpeechDeactivateGrammar(grammar string) (Reply, error) {
	return s.send("SPEECH DEACTIVATE GRAMMAR", grammar)
}

// SpeechDestroy ends the engine.
func (s *Session) SpeechDestroy() (Reply, error) {
	return s.send("SPEECH DESTROY")
}

// SpeechLoadGrammar loads a grammar from path.
func (s *Session) SpeechLoadGrammar(grammar, path string) (Reply, error) {
	return s.send("SPEECH LOAD GRAMMAR", grammar, path)
}

// SpeechRecognize plays prompt and listens, for timeout seconds once the prompt
// has ended; offset is a sample of prompt. Dat tells what ended it: "hangup",
// "timeout", or "(digit) ..." and "(speech) ..." with what was recognised.
func (s *Session) SpeechRecognize(prompt, timeout, offset string) (Reply, error) {
	return s.send("SPEECH RECOGNIZE", prompt, timeout, offset)
}

// SpeechSet changes a setting of the engine.
func (s *Session) SpeechSet(name, value string) (Reply, error) {
	return s.send("SPEECH SET", name, value)
}

// SpeechUnloadGrammar unloads a grammar.
func (s *Session) SpeechUnloadGrammar(grammar string) (Reply, error) {
	return s.send("SPEECH UNLOAD GRAMMAR", grammar)
}
