package gossip

// View is what a node knows. A driver reads it between the node's steps; nothing of it changes the
// node. Each plane's part stands in the file that binds the plane.
type View struct{ n *Node }
