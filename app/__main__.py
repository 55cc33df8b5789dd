from app.cli.menu import main

if __name__ == "__main__":
    main()
