@0xcbc8a7a79ff273da;
# Kernel objects as they appear in other schemas: capabilities without methods of their own.
interface Notification {}
interface Frames {}  # one Frame capability, or a CNode of them
